"""The API of the table, and its URLs."""

# Django REST framework is not installed where types are checked, and where it is, it has none.
# pyright: reportMissingImports=false, reportMissingModuleSource=false, reportAttributeAccessIssue=false
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUntypedBaseClass=false

from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.filters import OrderingFilter
from rest_framework.pagination import LimitOffsetPagination
from rest_framework.routers import SimpleRouter
from rest_framework.serializers import ModelSerializer
from rest_framework.viewsets import ModelViewSet

from .models import City


class CitySerializer(ModelSerializer):
    """What a client sends and gets."""

    class Meta:
        """All columns."""

        model = City
        fields = ("id", "name", "country_code", "admin1", "population", "latitude", "longitude", "timezone")


class Pagination(LimitOffsetPagination):
    """Pages of as many rows as the other contestants give."""

    default_limit = 20
    max_limit = 100


class CityViewSet(ModelViewSet):
    """Everything that can be done with cities."""

    queryset = City.objects.all()
    serializer_class = CitySerializer
    pagination_class = Pagination
    filter_backends = (DjangoFilterBackend, OrderingFilter)
    filterset_fields = {"country_code": ["exact"], "population": ["gte"]}  # noqa: RUF012  (as django-filter takes it)
    ordering_fields = ("id", "population")
    ordering = ("id",)


router = SimpleRouter(trailing_slash=False)
router.register("cities", CityViewSet)
urlpatterns = router.urls
